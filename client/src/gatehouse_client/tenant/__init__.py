"""The tenant as code: `gatehouse tenant` compares a tenant with auth0/tenant.yaml and changes it accordingly.

It uses Auth0's Management API, of the offline tenant or of a real one. It touches only what the file names.
"""
