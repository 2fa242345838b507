"""Who answers: the ordered choice of deployments, and what is done when one of them fails.

`route` says what may answer a turn, `breaker` which of it is not asked for a while, `retries` when the same one is
asked again, `chain` goes through them until there is an answer. Speaking to a provider is `providers`, choosing a
tenant's route is `services`.
"""
