"""The checkout inside a shop's page: the iframe page of the banq wire, its script, and an element of our own."""
