"""Who answers: the ordered choice of deployments, and what is done when one of them fails.

`facts` is what is known of a question (with `languages` and `intents` to tell two of them), `rules` choose a model by
it, `choice` makes a route of that, with equal deployments as `balance` orders them. `route` says what may answer a
turn, `breaker` which of it is not asked for a while, `retries` when the same one is asked again, `chain` goes through
them until there is an answer. Speaking to a provider is `providers`; where a tenant's rules come from is `services`.
"""
