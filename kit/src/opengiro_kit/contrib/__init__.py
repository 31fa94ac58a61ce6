"""The shop's endpoints for frameworks; each module needs its own framework and no other."""
