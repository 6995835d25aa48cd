"""How every use case gets at its database, alone, and what it leaves on record."""
