-- One index finds the requests of a destination by state: what a message writes is kept small.
DROP INDEX request_team;
DROP INDEX request_route;
DROP INDEX request_open;

CREATE INDEX request_place ON request (team, route, inbox, state);
