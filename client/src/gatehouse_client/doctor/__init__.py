"""`gatehouse doctor`: what a client can find out about its tenant and its server without managing either; and what the
tenant's own objects say, where somebody who manages it lets the doctor read them."""
