"""What the service tells of itself and the venue: probes, metrics, symbols."""
