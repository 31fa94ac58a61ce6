"""What browsers see: the payer's pages, live status and the operators' console."""
