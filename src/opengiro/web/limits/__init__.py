"""How much is taken on at once: too much is refused at the door, before it costs what answering would.

Each process judges by what it sees itself, without asking anybody: how many requests it works on, how late its event
loop runs, and how much each merchant asked for. It knows nothing of other processes, so a merchant's quota is divided
among them.
"""
