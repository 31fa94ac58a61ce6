"""The wires we speak: one folder a dialect, and none knows another."""
