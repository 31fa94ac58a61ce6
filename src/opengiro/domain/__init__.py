"""The rules of a payment, written with the standard library only: no time, network, storage or chance of its own."""
