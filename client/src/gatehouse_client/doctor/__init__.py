"""`gatehouse doctor`: checks the server and the tenant by their answers and, with credentials, the tenant's objects."""
