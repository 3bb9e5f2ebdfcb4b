"""What answers the network: connections, protection, endpoints, OpenAPI, metrics."""
