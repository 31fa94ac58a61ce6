"""The tests: one folder for each room of the server, and journeys named by what people do."""
