"""How certain each answer of the tenant is, and the switches that change answers."""
