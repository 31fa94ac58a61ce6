"""Live status: the moves of one payment as they happen, over three transports that tell the same events.

A move is an event and its ordinal the event's id, so resuming neither skips nor repeats. Notices about the step
inside a state carry no id. Nothing here is written anywhere: every event is read from the rows it stands for.
"""
