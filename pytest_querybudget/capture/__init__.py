"""The only room that listens to SQLAlchemy. It copies facts and decides nothing."""
