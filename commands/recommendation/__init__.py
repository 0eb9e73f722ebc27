"""From a sales file to a recommendation: whom to order by, and what it saves."""
