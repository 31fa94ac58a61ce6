"""High availability, run for real: a Patroni cluster, a served OpenGiro, payments under way, and faults.

It is run by hand with `make ha`, as root on Debian: it needs network namespaces, Debian packages and minutes.
"""
