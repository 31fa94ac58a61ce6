"""What browsers see: the payer's pages, live status, and the checkout inside a shop's page."""
