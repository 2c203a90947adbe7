package attack

var floodAttacks = map[string]func(*attacker) error{}
