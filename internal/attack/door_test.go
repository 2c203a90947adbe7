package attack

var doorAttacks = map[string]func(*attacker) error{}
