"""Polymarket's dialect: frames to events, orders to requests, error texts to meanings.

The only rooms that know a field name, a path, a limit or an error text of the venue. Everything here is a pure
reading; whatever does not fit is refused by name (BadFrame, BadMarket) or counted (Ignored), never guessed.

Sources: the venue's documentation and its official clients as installed; recordings of it in tests/recordings.
"""
