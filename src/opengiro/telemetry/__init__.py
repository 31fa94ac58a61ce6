"""What the program tells about itself: meters for Prometheus, one log line a request, spans for OpenTelemetry.

Nothing here knows what it counts. A label is a word from a table of ours (a route's template, a state, a bank's id),
never anything a caller sent, so neither personal data nor an endless number of series can get in.
"""
