"""What an operator may write in settings, checked: codes of languages, folders."""
