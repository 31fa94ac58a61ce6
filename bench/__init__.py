"""`make bench`: OpenGiro beside the databases it stands on, in one run on one machine.

The program is driven from outside, by its own commands and over HTTP; what it is held against writes the very rows
that it wrote. Nothing here is part of a distribution, and no test asserts a time.
"""
