package attack

var frameAttacks = map[string]func(*attacker) error{}
