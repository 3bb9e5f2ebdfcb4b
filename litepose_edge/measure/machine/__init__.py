"""What a machine is and the state it is in: what every measurement's figures belong to."""
