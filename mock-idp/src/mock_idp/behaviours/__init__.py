"""How sure each answer of the tenant is, and the switches that change answers."""
