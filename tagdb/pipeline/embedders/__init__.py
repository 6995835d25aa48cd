"""The models that vectors are made with: found, brought, registered, proved and taught."""
