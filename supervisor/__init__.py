"""Long-lived and thin: connections, ledger, risk, order entry, and who may trade."""
