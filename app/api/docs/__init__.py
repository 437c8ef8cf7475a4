"""The documents of the API and the page that shows them."""
