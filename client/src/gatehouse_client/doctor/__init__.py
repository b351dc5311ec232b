"""`gatehouse doctor`: what a client can find out about its tenant and its server without managing either."""
