"""Who may connect and who may change things: rules, apart from the doors that apply them."""
