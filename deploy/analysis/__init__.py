"""What can be said afterwards, from journal, tape and the venue's own record alone."""
