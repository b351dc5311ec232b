"""The tenant as code: `gatehouse tenant` brings a tenant to what auth0/tenant.yaml says, and shows how far it is.

It works through Auth0's Management API, the same with the offline tenant and a real one. It touches what the file names
and nothing else.
"""
