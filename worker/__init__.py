"""Disposable: what decides. Replaced between two decisions; a release is made of this and of `shared`."""
