"""Connections and transactions: rules that listen to pools and to the begin and end of transactions."""
