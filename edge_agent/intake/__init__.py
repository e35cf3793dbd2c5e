"""Where commands come in: the two Pub/Sub subscriptions and the HTTPS poll."""
