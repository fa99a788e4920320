"""The venue on loopback: its protocol, matching, accounts and days. A reading of the facts of its own."""
