"""Which weights and locators are on this machine, and which of them fusion uses."""
