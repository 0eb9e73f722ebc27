"""Steps from one form of the tables to the next, the newest that of `service.store.tables`."""
