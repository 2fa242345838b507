"""An identity provider that speaks OpenID Connect on loopback, and can be told to misbehave."""
