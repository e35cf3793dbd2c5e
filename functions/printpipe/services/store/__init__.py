"""How services use the document store: questions, pages, batches, repetitions, records of who did what."""
