"""From a file to something that can be asked: the steps of ingestion, in order.

`fetch`    claim the document, find its bytes
`parse`    bytes -> text, pages and blocks, in a child process with limits on time and memory
`chunk`    text -> pieces below the model's limit, with exact offsets, page and heading path
`embed`    pieces -> vectors, in batches
`index`    chunk rows, keyword rows and vectors written; then one transaction makes the version answer

`pipeline.py` calls the steps and reads like this list. Each step can be done again without harm, so a killed worker
costs time and nothing else.

Not here: what people may do with documents (`chatapp.services.documents`) and finding passages (`chatapp.retrieval`).
"""
