"""The five chambers. Each imports `shared`, none imports another."""
