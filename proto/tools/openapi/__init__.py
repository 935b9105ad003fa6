"""The OpenAPI document of the REST API, generated from proto/ and the table of documented errors (`make generate`)."""
