"""The paper exchange: an exchange with order books, ledger, fees, margin and settlement that speaks Coincall's own wire."""
