"""The operator's page and its API over aiohttp. It reads the database and a view, and acts through a `Control` port."""
