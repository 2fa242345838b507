"""The path of one message, one step per module; `answer` calls them in this order.

admit     who asks, and that the question has a size we accept
rewrite   history and question to a question that stands alone
retrieve  keyword and vector search over the collections this actor may read, fused
compose   who answers settled by what was found, sources numbered, messages made, token budget kept
generate  the provider's stream, relayed to the turn log
cite      marks matched to passages of the sources, and how far each passage carries its sentence
record    the answer, its trace, and the last event

Each step is `async def step(turn: Turn) -> Turn`. No step holds a transaction while it waits for anything but the
database, and none knows a page, a socket or a request.
"""
