"""The hosted checkout: one page per step of a payment, rendered here, complete without JavaScript.

Pages show what a use case returned and never decide; each state of a payment has exactly one page.
"""
