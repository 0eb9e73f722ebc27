"""What Alembic runs: the migrations on the connection that the service gives it."""

from alembic import context

from service.store.tables import METADATA

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=METADATA, transactional_ddl=True)
context.run_migrations()
