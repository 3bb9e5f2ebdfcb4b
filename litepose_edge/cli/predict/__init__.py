"""`litepose-edge predict`: what is named, what is found in it, and where that goes."""
