-- By which a model's provider tells the end users of one account apart; made by the application.
alter table client_secrets add column safety_identifier text;
